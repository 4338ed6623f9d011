#!/usr/bin/perl
# The SCGI application of the interop tests, on the module SCGI of CPAN: answers with what it received.
# Its one argument is the path of the unix socket to listen on.
use strict;
use warnings;
use IO::Socket::UNIX;
use Socket qw(SOCK_STREAM);
use SCGI;

my ($path) = @ARGV;
my $socket = IO::Socket::UNIX->new(Type => SOCK_STREAM, Local => $path, Listen => 16) or die "cannot listen on $path: $!";
chmod 0666, $path;
my $scgi = SCGI->new($socket, blocking => 1);

while (my $request = $scgi->accept) {
    # A child for each request, as one that is killed half way must not end the server.
    my $child = fork;
    if ($child) {
        $request->close;
        waitpid $child, 0;
        next;
    }
    $request->read_env;
    my $env = $request->env;
    my $body = '';
    my $left = $env->{CONTENT_LENGTH};
    while ($left > 0) {
        my $n = read $request->connection, $body, $left, length $body;
        last unless $n;
        $left -= $n;
    }
    my $out = $request->connection;
    my $page = join '', (map { "$_=$env->{$_}\n" } sort keys %$env), "\n", $body;
    if ($env->{REQUEST_URI} =~ m{/created}) {
        print $out "Status: 201 Made Here\r\nLocation: /made\r\nContent-Type: text/plain\r\n\r\n", $page;
    } else {
        print $out "Content-Type: text/plain\nX-Perl: yes\n\n", $page;
    }
    $request->close;
    exit 0;
}
