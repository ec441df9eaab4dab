FROM perl:5.36-threaded
RUN perl -MCPAN -e 'my $c = "CPAN::HandleConfig"; $c->load(doit => 1, autoconfig => 1); $c->edit(prerequisites_policy => "follow"); $c->commit'
RUN cpan -T App::cpanminus Test::Reporter::Transport::Metabase
env PERL_MM_USE_DEFAULT 1
env AUTOMATED_TESTING   1
workdir /cpan
copy distroprefs/ prefs/
volume /cpan/build
cmd ["perl", "-MCPAN::Reporter::Smoker", "-e", "start(clean_cache_after => 50)"]
