FROM hashicorp/vault:1.18
ARG vault_addr
ENV VAULT_ADDR=${vault_addr:-https://vault.internal:8200}
ENV VAULT_CACERT=/etc/ssl/vault.pem VAULT_FORMAT=json
COPY --chown=100:1000 templates/ /vault/templates/
COPY --chown=100:1000 --chmod=0440 <<-"HCL" /vault/config/agent.hcl
	pid_file = "/tmp/agent.pid"
	auto_auth {
		method "kubernetes" {
			config = { role = "app" }
		}
		sink "file" { config = { path = "/home/vault/.token" } }
	}
	template {
		source      = "/vault/templates/app.env.ctmpl"
		destination = "/secrets/app.env"
		contents    = "${not_a_variable}"
	}
	HCL
USER vault
CMD ["vault", "agent", "-config=/vault/config/agent.hcl"]
