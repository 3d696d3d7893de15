// tcp/inside.hpp: it stands at the root now; this goes when all its users have moved.
#pragma once

#include "../inside.hpp"
