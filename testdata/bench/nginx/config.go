package main

import (
	"fmt"
	"strings"
)

// Steps of the library's briefwahl.
const (
	formStep   = "form"
	submitStep = "submit"
)

// configuration is what nginx is told.
type configuration struct {
	dir  string // all its files, and nothing elsewhere
	port int
	// buffered writes the log by the block. A killed worker takes its buffer with it, so that those that may be killed
	// write every line at once.
	buffered bool
	// refusing answers one request in five with 503.
	refusing bool
	// closing ends connections after 20 ms of rest and after 100 requests: often just when the next one is on its way.
	closing bool
}

// text is the configuration file. One worker, as the log's order is the worker's then. The bounds of connections are
// nginx's own where nothing else is asked for, 1,000 requests and 75 s of rest: a real server closes, and that must not
// lose or double anything.
func (c configuration) text() string {
	buffer, refused, rest := "", "0", "75s; keepalive_requests 1000"
	if c.buffered {
		buffer = " buffer=256k flush=1s"
	}
	if c.refusing {
		refused = "1"
	}
	if c.closing {
		rest = "20ms; keepalive_requests 100"
	}
	return strings.NewReplacer("@DIR", c.dir, "@PORT", fmt.Sprint(c.port), "@BUFFER", buffer, "@REFUSED", refused, "@REST", rest).Replace(template)
}

const template = `daemon off;
worker_processes 1;
worker_rlimit_nofile 18000;
pid @DIR/nginx.pid;
error_log @DIR/error.log warn;
events { worker_connections 17000; }
http {
	client_body_temp_path @DIR/body;
	proxy_temp_path @DIR/proxy;
	fastcgi_temp_path @DIR/fastcgi;
	uwsgi_temp_path @DIR/uwsgi;
	scgi_temp_path @DIR/scgi;
	default_type application/json;
	keepalive_timeout @REST;
	log_format ledger escape=json
		'{"time":"$msec","method":"$request_method","uri":"$request_uri","status":"$status","seq":"$http_idempotency_key",'
		'"run":"$http_ansturm_run","step":"$http_ansturm_step","connection":"$connection","requests":"$connection_requests"}';
	access_log @DIR/access.log ledger@BUFFER;
	split_clients $request_id $unlucky { 20% 1; * 0; }
	map "${unlucky}@REFUSED" $refused { 11 1; default 0; }
	server {
		listen 127.0.0.1:@PORT backlog=4096;
		location = /antrag {
			if ($refused) { return 503 '{"status":"refused"}'; }
			if ($request_method = GET) { return 200 '{"status":"form"}'; }
			return 201 '{"status":"accepted","id":"A-$http_idempotency_key"}';
		}
		location / { return 404 '{}'; }
	}
}
`
