# syntax=docker/dockerfile:1
#
# docker build -t cognate .
# docker run -p 4222:4222 -p 8222:8222 cognate
# docker run -p 4222:4222 -v nats:/data cognate -js -sd /data
# docker run -p 4222:4222 -v ./nats.conf:/etc/nats/nats.conf:ro cognate -c /etc/nats/nats.conf
#
# The final image holds the server and what it needs at run time, and no distribution: no shell, no
# package manager, nothing to update but the server. It is about 18 MB, of which the server is 14.
#
# The server is linked to glibc, as where it is tested. A static build against musl would save 3 MB,
# with an allocator and a resolver of names that behave differently.

FROM rust:1-slim-bookworm AS build
WORKDIR /src
COPY . .
# The caches make a second build quick; the binary is copied out, because they are not part of
# the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin nats-server \
    && install -D target/release/nats-server /image/usr/local/bin/nats-server

# The loader and the libraries that the binary names. They are enough to look names up: glibc reads
# /etc/hosts and asks DNS without a library more, and needs no nsswitch.conf for that order.
RUN ldd /image/usr/local/bin/nats-server | grep -o '/[^ ]*' \
        | xargs cp --dereference --parents --target-directory=/image

# The authorities that vouch for the servers that this one asks: account resolvers, OCSP responders.
# Time zones need no files, they are in the binary.
RUN cp --parents --target-directory=/image /etc/ssl/certs/ca-certificates.crt

# The user, the place for a volume with JetStream's store, and where the store goes if the
# configuration names no place.
RUN echo 'nats:x:10001:10001:NATS server:/data:/sbin/nologin' > /image/etc/passwd \
    && echo 'nats:x:10001:' > /image/etc/group \
    && install -d -o 10001 -g 10001 -m 0750 /image/data \
    && install -d -m 1777 /image/tmp

FROM scratch
COPY --from=build /image /

# By number, so that a platform that insists on non-root users can see that this is one.
USER 10001:10001

# Clients, monitoring.
EXPOSE 4222 8222

# `docker stop` sends SIGTERM, which ends the server at once and in order. To have clients leave one
# by one before that, send SIGUSR2 (lame duck mode) and allow for lame_duck_duration.
# Orchestrators ask http://…:8222/healthz. There is no HEALTHCHECK here, because the image has no
# HTTP client to run one with, and the configuration may have monitoring on another port or off.
ENTRYPOINT ["/usr/local/bin/nats-server"]
CMD ["--http_port", "8222"]
