// What names a stranger may send, for libFuzzer: `make fuzz`. The unit test replays the corpus,
// each input of which begins its name with its verdict: 1 for a file that is opened, 0 for none.
//
// An input is a name. It is looked up in a directory that is planted for the purpose, with secrets
// around it and links that lead to them.
#include "../../inside.hpp"

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace {

void assure(bool true_of_every_input) {
    if (!true_of_every_input) std::abort();
}

/// A directory, root/, with secrets beside it and in it. Removed at the end.
struct Garden {
    std::filesystem::path outside;
    Fd directory;

    Garden() {
        namespace fs = std::filesystem;
        char pattern[] = "/tmp/socklab-garden-XXXXXX";
        outside = mkdtemp(pattern);
        const fs::path root = outside / "root";
        fs::create_directories(root / "d" / "e");
        for (const char* name : {"a", "d/b", "d/e/c"}) std::ofstream{root / name} << "ours";
        for (const char* name : {"s", "root/.s", "root/d/.s"}) std::ofstream{outside / name} << "s";
        fs::create_symlink("a", root / "l");
        fs::create_symlink("d", root / "m");
        fs::create_symlink("..", root / "u");
        fs::create_symlink("../..", root / "d" / "u");
        fs::create_symlink(outside / "s", root / "s");
        mkfifo((root / "f").c_str(), 0600);
        directory = open_directory(root);
    }
    ~Garden() { std::filesystem::remove_all(outside); }
};

/// Whether `name` is that of a file of ours: the same question, answered from its letters alone.
bool is_ours(std::string_view name) {
    std::string once;  // each run of slashes as one
    for (const char c : name)
        if (c != '/' || !once.ends_with('/')) once += c;
    return once == "a" || once == "d/b" || once == "d/e/c";
}

/// Aborts where something that must hold of every input does not. Returns whether a file is opened.
bool try_inside(std::string_view name) {
    static const Garden garden;
    struct stat status {};
    const Fd file = open_inside(garden.directory, name, status);
    const int error = errno;
    assure(static_cast<bool>(file) == is_ours(name));
    if (!file) {
        assure(error == ENOENT || error == ENOTDIR || error == ELOOP || error == EISDIR ||
               error == ENXIO || error == ENAMETOOLONG);
        return false;
    }
    char bytes[10];
    assure(read(file.get(), bytes, sizeof bytes) == 4 && status.st_size == 4);
    assure(std::string_view(bytes, 4) == "ours");
    return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try_inside({reinterpret_cast<const char*>(data), size});
    return 0;
}
