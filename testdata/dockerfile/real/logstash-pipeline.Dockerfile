FROM docker.elastic.co/logstash/logstash:8.15.3
RUN rm -f /usr/share/logstash/pipeline/logstash.conf
COPY --chown=logstash:root <<'PIPELINE' /usr/share/logstash/pipeline/main.conf
input { beats { port => 5044 } }
filter {
  grok { match => { "message" => "%{COMBINEDAPACHELOG}" } }
  # comments stay
}
output { stdout { codec => rubydebug } }
PIPELINE
COPY config/ /usr/share/logstash/config/
