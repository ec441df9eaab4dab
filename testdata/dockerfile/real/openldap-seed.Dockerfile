FROM bitnami/openldap:2.6.8-debian-12-r10
ENV LDAP_ROOT=dc=example,dc=org
ENV LDAP_ADMIN_USERNAME=admin
ENV LDAP_ADMIN_PASSWORD=changeme
ENV LDAP_SKIP_DEFAULT_TREE=yes
COPY <<-"PEOPLE.LDIF" <<-"GROUPS.LDIF" /ldifs/
	dn: ou=people,dc=example,dc=org
	objectClass: organizationalUnit
	ou: people

	dn: uid=ada,ou=people,dc=example,dc=org
	objectClass: inetOrgPerson
	cn: Ada
	sn: Lovelace
	PEOPLE.LDIF
	dn: ou=groups,dc=example,dc=org
	objectClass: organizationalUnit
	ou: groups
		GROUPS.LDIF
EXPOSE 1389 1636
