// Catch2 2.x writes its main here; 3.x brings it in a library, and ignores the macro.
#define CATCH_CONFIG_MAIN
#include "catch.hpp"
