// What may stand in the control messages of a datagram or a stream, for libFuzzer: `make fuzz`. The
// unit test replays the corpus, each input of which begins its name with how many descriptors are
// found in it.
//
// An input is control messages, each of them: a byte for its kind (0: SCM_RIGHTS, 1: another type,
// 2: another level), one for the length that it claims, one for the length that it has, and so many
// bytes. As a length, 254 claims that there is no end, and 255 a header shorter than a header.
#include <cstdlib>
#include <string_view>

#include "../../unix_domain/rights.hpp"

namespace {

void demand(bool true_of_every_input) {
    if (!true_of_every_input) std::abort();
}

/// The control messages that the input describes, one behind the other as recvmsg(2) lays them, and
/// not a byte more, so that AddressSanitizer sees who reads behind their end.
struct Messages {
    std::vector<char> bytes{};
    std::vector<int> numbers{};  ///< the descriptors in them, while each is as long as it claims
    bool well_formed = true;

    explicit Messages(std::string_view input) {
        while (input.size() >= 3) {
            const auto kind = static_cast<unsigned char>(input[0]);
            const auto claimed = static_cast<unsigned char>(input[1]);
            const auto length = static_cast<unsigned char>(input[2]);
            input.remove_prefix(3);
            const std::string_view data = input.substr(0, length);
            input.remove_prefix(data.size());
            add(kind, claimed, data);
        }
    }

    void add(int kind, std::size_t claimed, std::string_view data) {
        cmsghdr header{};
        header.cmsg_level = kind == 2 ? SOL_SOCKET + 1 : SOL_SOCKET;
        header.cmsg_type = kind == 1 ? SCM_RIGHTS + 1 : SCM_RIGHTS;
        header.cmsg_len = static_cast<decltype(header.cmsg_len)>(CMSG_LEN(claimed));
        if (claimed == 254) header.cmsg_len = static_cast<decltype(header.cmsg_len)>(-1);
        if (claimed == 255) header.cmsg_len = 0;
        if (claimed >= 254 || claimed != data.size()) well_formed = false;

        const std::size_t start = CMSG_SPACE(bytes.size()) - CMSG_SPACE(0);  // rounded up
        bytes.resize(start + CMSG_LEN(data.size()));
        std::memcpy(bytes.data() + start, &header, sizeof header);
        std::memcpy(bytes.data() + start + CMSG_LEN(0), data.data(), data.size());
        if (kind == 1 || kind == 2) return;
        for (; data.size() >= sizeof(int); data.remove_prefix(sizeof(int))) {
            numbers.emplace_back();
            std::memcpy(&numbers.back(), data.data(), sizeof(int));
        }
    }
};

/// Aborts where something that must hold of every input does not. Returns how many descriptors are
/// found.
std::size_t try_rights(std::string_view input) {
    Messages messages{input};
    msghdr message{};
    message.msg_control = messages.bytes.data();
    message.msg_controllen = static_cast<decltype(message.msg_controllen)>(messages.bytes.size());
    const std::vector<int> found = unix_domain::descriptors_in(message);
    demand(found.size() * sizeof(int) <= messages.bytes.size());
    if (messages.well_formed) demand(found == messages.numbers);
    return found.size();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try_rights({reinterpret_cast<const char*>(data), size});
    return 0;
}
