# The image of every role: a node, the operator, the commands. There is no build step, because
# Node runs the sources as they are.

FROM node:26-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# No production dependency needs an install script, so none may run one.
RUN npm ci --omit=dev --ignore-scripts

FROM node:26-slim
WORKDIR /app
ENV NODE_ENV=production
RUN printf '#!/bin/sh\nexec node /app/src/main.ts "$@"\n' > /usr/local/bin/ringcast \
  && chmod 755 /usr/local/bin/ringcast
COPY --from=dependencies /app/node_modules node_modules
COPY package.json ./
COPY src src
# By number, so that Kubernetes can see that it is not root. Nothing under /app is written to: the
# image runs with a read-only root filesystem.
USER 1000:1000
EXPOSE 8080 8081
# Node itself is process 1 and gets the SIGTERM of the kubelet. An init would add nothing: the
# program starts threads, never child processes, so there is nobody to reap; and it handles the
# signals it is sent, which process 1 must do for itself.
ENTRYPOINT ["node", "/app/src/main.ts"]
CMD ["--help"]
