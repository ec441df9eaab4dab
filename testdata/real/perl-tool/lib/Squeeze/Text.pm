package Squeeze::Text;
use strict;
use warnings;

our $VERSION = '2.1';

# Runs of blanks become one; those at the end go.
sub squeeze {
    my ($line) = @_;
    $line =~ s/[ \t]+/ /g;
    $line =~ s/ $//;
    return $line;
}

1;
