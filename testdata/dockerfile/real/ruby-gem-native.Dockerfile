FROM ghcr.io/rake-compiler/rake-compiler-dock-image:1.5.2-mri-x86_64-linux
user root
RUN gem install bundler:2.5.22 \
    && \
    : 'the native platforms come from Rakefile' \
    &&\
    rake-compiler-dock --version||true
onbuild add . /gem
onbuild workdir /gem
onbuild run bundle install --jobs 4&&rake native gem
