# One image for every node. Build: docker build -t entrepot .
# Run with a read-only root and no capability: compose.yaml does.
ARG NODE=20.20.2

# With compilers, for packages without a binary for this machine.
FROM node:${NODE}-bookworm AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run build && rm -rf dist/test

FROM node:${NODE}-bookworm AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

FROM node:${NODE}-bookworm-slim
ENV NODE_ENV=production \
    ENTREPOT_DATA_DIR=/var/lib/entrepot \
    ENTREPOT_PROTOCOLS__WEB__HOST=::
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY --from=build /build/dist dist
COPY package.json LICENSE NOTICE ./
RUN install -d -o 1000 -g 1000 -m 700 /var/lib/entrepot \
 && chmod 755 dist/core/main.js \
 && ln -s /app/dist/core/main.js /usr/local/bin/entrepot
# The user `node` of the image, by number, so that Kubernetes sees that it is not root.
USER 1000:1000
VOLUME /var/lib/entrepot
# SFTP, FTP and its data, web
EXPOSE 2022 2021 50000-50999 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s --retries=3 CMD ["node", "dist/core/main.js", "status"]
ENTRYPOINT ["node", "/app/dist/core/main.js"]
CMD ["start"]
