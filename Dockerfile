# The Web function for any place that runs containers: a static binary and nothing else.
#   ./package.sh ask-web && docker build -t ask-web . && docker run -p 9000:9000 -e OPENAI_API_KEY ask-web
FROM scratch
COPY dist/ask-web/ask-web /ask-web
ENV HOST=0.0.0.0 PORT=9000
EXPOSE 9000
USER 65534:65534
ENTRYPOINT ["/ask-web"]
