#!/usr/bin/perl
# As a script for lighttpd or spawn-fcgi: descriptor 0 is a socket that listens.
use strict;
use warnings;
use IO::Socket::UNIX;
use SCGI;

open(my $socket, '+<&=', 0) or die "no socket: $!";
my $scgi = SCGI->new(bless($socket, 'IO::Socket::UNIX'), blocking => 1);
while (my $request = $scgi->accept) {
  $request->read_env;
  my $connection = $request->connection;
  print $connection "Content-Type: text/plain\r\n\r\nPerl ", $request->env->{PATH_INFO};
  $connection->close;
}
