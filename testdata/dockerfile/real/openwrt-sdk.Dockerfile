FROM openwrt/sdk:ath79-generic-23.05.5
USER buildbot
ARG FEEDS="base packages luci"
COPY --chown=buildbot:buildbot feeds.conf keys* ./
RUN ./setup.sh || true; ./scripts/feeds update $FEEDS
COPY --chown=buildbot package/ package/local/
RUN make defconfig \
 \
 && for p in package/local/*/; do \
        make "package/$(basename "$p")/compile" V=s || exit 1; \
    done
