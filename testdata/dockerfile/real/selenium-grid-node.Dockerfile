FROM selenium/node-base:4.26.0-20241101
USER root
LABEL com.example.browser="chromium" "com.example.quoted key"=odd com.example.'mixed'=" quotes "
LABEL com.example.legacy the old form has no equals sign
ARG CHROMIUM
RUN apt-get -qqy update && apt-get -qqy install chromium${CHROMIUM:+=$CHROMIUM} && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY --chmod=755 wrap-chromium /opt/bin/
RUN echo '{"browserName": "chromium", "se:noVncPort": 7900}' > /opt/selenium/browser.json
USER ${SEL_UID}
