use strict;
use warnings;
use Squeeze::Text;

my @cases = (["a  b\n", "a b\n"], ["\ta \n", " a\n"], ["\n", "\n"]);
my $number = 0;
for my $case (@cases) {
    my $found = Squeeze::Text::squeeze($case->[0]);
    print $found eq $case->[1] ? "ok " : "not ok ", ++$number, "\n";
    exit 1 if $found ne $case->[1];
}
