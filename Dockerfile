# One image, three programs. They are static and built by `make build`; the context is the folder bin.
FROM scratch
ARG TARGETARCH=amd64
LABEL org.opencontainers.image.title="reboot-operator" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY linux-${TARGETARCH}/manager /manager
COPY linux-${TARGETARCH}/helper /helper
COPY linux-${TARGETARCH}/rebooter /rebooter
USER 65532:65532
ENTRYPOINT ["/manager"]
