FROM alpine:3.19.4
RUN apk add --no-cache openssh-server google-authenticator openssh-server-pam shadow \
  && rm -f /etc/ssh/ssh_host_* \
  && groupadd -g 1500 jump && useradd -g jump -M -s /sbin/nologin -p '*' jump
COPY <<-'CONF' /etc/ssh/sshd_config.d/10-bastion.conf
	Port 2222
	PermitRootLogin no
	PasswordAuthentication no
	AllowTcpForwarding yes
	PermitTTY no
	Match User jump
		ForceCommand /bin/false
	CONF
EXPOSE 2222
ENTRYPOINT ["/bin/sh", "-c", "ssh-keygen -A && exec \"$@\"", "--"]
CMD ["/usr/sbin/sshd", "-D", "-e"]
