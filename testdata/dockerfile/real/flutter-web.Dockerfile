FROM ghcr.io/cirruslabs/flutter:3.24.4 AS flutter
WORKDIR /app
COPY pubspec.yaml pubspec.lock ./
RUN flutter pub get
COPY . .
ARG API_URL
ARG SENTRY_DSN
RUN flutter build web --release --dart-define=API_URL=$API_URL --dart-define=SENTRY_DSN=$SENTRY_DSN
FROM nginxinc/nginx-unprivileged:1.27
COPY --from=flutter /app/build/web /usr/share/nginx/html
