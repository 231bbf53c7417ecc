// Go's own reverse proxy with a line in the log per request: goproxy LISTEN UPSTREAM
package main

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"
)

type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

// Unwrap lets the proxy flush.
func (s *status) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func main() {
	upstream, err := url.Parse(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	// By default two connections are kept, and every other request opens its own.
	transport.MaxIdleConnsPerHost = 2000
	transport.MaxIdleConns = 2000
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(upstream) },
	}
	log.Fatal(http.ListenAndServe(os.Args[1], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began, s := time.Now(), &status{w, 200}
		proxy.ServeHTTP(s, r)
		fmt.Printf("{\"method\":%q,\"path\":%q,\"status\":%d,\"ms\":%d}\n", r.Method, r.URL.Path, s.code, time.Since(began).Milliseconds())
	})))
}
