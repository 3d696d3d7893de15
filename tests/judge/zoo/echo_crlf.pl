# echo greeting: ends its lines with CR LF, the greeting first.
# also one-line, bytes, no-delay, two-lines, pieces, empty-line, last-line, half-close: all answers.
# also second-client, hundred, long-line, reset, mid-line, never-reads, come-and-go: the same.
use strict;
use IO::Socket::INET;

$SIG{CHLD} = "IGNORE";
my %where = (LocalAddr => "127.0.0.1", LocalPort => $ARGV[0]);
my $server = IO::Socket::INET->new(%where, Listen => 100, ReuseAddr => 1) or die $!;
while (my $client = $server->accept) {
    if (!fork) {
        close $server;
        $client->autoflush(1);
        print $client "Le serveur écoute.\r\n";
        while (my $line = <$client>) {
            chomp $line;
            print $client "le serveur répond : $line\r\n";
        }
        exit;
    }
    close $client;
}
