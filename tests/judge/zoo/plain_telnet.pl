# plain bytes: as in telnet, two bytes 255 are one.
use strict;
use warnings;
use Socket;

$SIG{PIPE} = 'IGNORE';
socket(my $listener, PF_INET, SOCK_STREAM, 0) or die;
setsockopt($listener, SOL_SOCKET, SO_REUSEADDR, 1);
bind($listener, pack_sockaddr_in($ARGV[0], inet_aton('127.0.0.1'))) or die $!;
listen($listener, 100);
while (1) {
    accept(my $client, $listener) or next;
    CLIENT: while (sysread($client, my $piece, 65536)) {
        $piece =~ s/\xff\xff/\xff/g;
        while (length $piece) {
            my $went = syswrite($client, $piece) or last CLIENT;
            substr($piece, 0, $went) = '';
        }
    }
    close $client;
}
