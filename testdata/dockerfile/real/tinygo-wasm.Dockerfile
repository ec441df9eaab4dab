FROM tinygo/tinygo:0.34.0 AS guest
USER tinygo
COPY --chown=tinygo:tinygo go.mod *.go /home/tinygo/guest/
WORKDIR guest
RUN tinygo build -o ../guest.wasm -target=wasip1 -no-debug -gc=leaking .

FROM wasmedge/slim-runtime:0.14.1
ADD --from=guest /home/tinygo/guest.wasm /guest.wasm
CMD ["wasmedge", "--dir", "/:/", "/guest.wasm"]
