# syntax=docker/dockerfile:1
#
# docker build -t cognate .
# docker run -p 4222:4222 -p 8222:8222 cognate
# docker run -v ./nats.conf:/etc/nats/nats.conf:ro -p 4222:4222 cognate -c /etc/nats/nats.conf
#
# The final image is Debian without anything but libc, the system's certificate authorities and
# the time zones. `scratch` would be smaller still, but needs a static build against musl, whose
# allocator and resolver behave differently from what is tested here, and brings neither
# authorities nor time zones.

FROM rust:1-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The caches make a second build quick; the binary is copied out, because they are not part of
# the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin nats-server \
    && cp target/release/nats-server /nats-server

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin nats
COPY --from=build /nats-server /usr/local/bin/nats-server

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
