# One image for all programs. They are static and built by `make build`; the context is their folder, bin/linux-<arch>. There is nothing else
# in it: no shell, no files of a distribution. Time zones and the roots of the public certificate authorities are compiled into the manager.
FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="reboot-operator" \
      org.opencontainers.image.description="Reboots the nodes of a Kubernetes cluster that need it: safely, in order, with a proof" \
      org.opencontainers.image.source="https://github.com/reboot-operator/reboot-operator" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The mode is said here because that of the files depends on who built them.
COPY --chmod=0755 manager helper rebooter /
# The manager's uid. Pods of the helper set those of their containers.
USER 61110:61110
ENTRYPOINT ["/manager"]
