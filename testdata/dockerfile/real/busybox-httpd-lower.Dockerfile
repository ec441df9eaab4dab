from busybox:1.36
workdir /www
copy site/ .
expose 8000
cmd ["httpd", "-f", "-v", "-p", "8000"]
