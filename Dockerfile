# One static binary in an empty image, run by nobody in particular.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN make build && mkdir -p /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /src/bin/optgate /optgate
COPY --from=build /src/configs/deploy/embedded.yaml /etc/optgate/optgate.yaml
COPY --from=build --chown=65532:65532 /out/data /var/lib/optgate/data
WORKDIR /var/lib/optgate
USER 65532:65532
ENV OPTGATE_CONFIG=/etc/optgate/optgate.yaml
VOLUME /var/lib/optgate/data
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/optgate", "health"]
ENTRYPOINT ["/optgate"]
CMD ["serve"]
