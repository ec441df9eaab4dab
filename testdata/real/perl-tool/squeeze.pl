#!/usr/bin/perl
use strict;
use warnings;
use lib 'lib';
use Squeeze::Text;

if (@ARGV && $ARGV[0] eq '--version') {
    print "squeeze $Squeeze::Text::VERSION\n";
    exit;
}
print Squeeze::Text::squeeze($_) while <>;
