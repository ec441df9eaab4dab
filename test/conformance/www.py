"""A server on loopback for one case: it has the files of a folder, each with its time as Last-Modified, whatever the query.
Beside FILE, FILE.headers may say what else is answered: header lines as they are sent, a `Status: CODE` among them, and
`Last-Modified:` without a value to send none. Git repositories are served as the files they are (`git update-server-info`)."""
import functools
import http.server
import os
import threading


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def send_head(self):
        path = self.translate_path(self.path)
        if not os.path.exists(path + ".headers"):
            # A folder has no page of its own here.
            if os.path.isdir(path) and not os.path.exists(os.path.join(path, "index.html")):
                return self.send_error(404)
            return super().send_head()
        with open(path + ".headers", encoding="utf-8") as f:
            headers = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in f.read().splitlines())]
        body = open(path, "rb") if os.path.isfile(path) else None
        self.send_response(int(dict(headers).get("Status", "200")))
        self.send_header("Content-Length", str(os.path.getsize(path) if body else 0))
        for name, value in headers:
            if name != "Status" and value:
                self.send_header(name, value)
        self.end_headers()
        return body

    def log_message(self, *_):
        pass


class Www:
    """A running server; it ends with `close`, or with this process."""

    def __init__(self, folder):
        handler = functools.partial(Handler, directory=folder)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.address = "http://127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
