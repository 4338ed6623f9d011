#!/usr/bin/perl
# An SCGI application for `spawn`: descriptor 0 is a socket that listens. Needs SCGI of CPAN (Debian: libscgi-perl).
use strict;
use warnings;
use IO::Socket::UNIX;
use SCGI;

$SIG{TERM} = sub { exit };
open(my $socket, '+<&=', 0) or die "no socket: $!";
my $scgi = SCGI->new(bless($socket, 'IO::Socket::UNIX'), blocking => 1);
while (my $request = $scgi->accept) {
  $request->read_env;
  my $connection = $request->connection;
  print $connection "Content-Type: text/plain\r\n\r\nHello from Perl, at ", $request->env->{PATH_INFO}, "\n";
  $connection->close;
}
