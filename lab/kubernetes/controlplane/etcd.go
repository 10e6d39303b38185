package controlplane

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// startEtcd starts the store on Unix sockets in the state folder: no port to be found by others, and no TLS to pay for.
// It is not made for a loss of power: nothing is synced to disk.
func startEtcd(ctx context.Context, s *State) (*embed.Etcd, error) {
	cfg := embed.NewConfig()
	cfg.Name, cfg.Dir = "lab", s.Path("etcd")
	cfg.UnsafeNoFsync = true
	socket := func(name string) []url.URL { return []url.URL{{Scheme: "unix", Path: s.Path(name)}} }
	cfg.ListenClientUrls, cfg.ListenPeerUrls = socket("etcd.sock"), socket("peer.sock")
	// A name is wanted that a peer or a client would dial; there is neither.
	nobody := []url.URL{{Scheme: "http", Host: "127.0.0.1:1"}}
	cfg.AdvertiseClientUrls, cfg.AdvertisePeerUrls = nobody, nobody
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.BackendBatchInterval = time.Second // what is not synced need not be committed ten times a second
	cfg.TickMs, cfg.ElectionMs = 200, 1000 // it is alone; shorter ones make no start faster, and wake it while idle
	cfg.LogLevel, cfg.LogOutputs = "warn", []string{s.Path("etcd.log")}
	cfg.QuotaBackendBytes = 4 << 30
	etcd, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return etcd, nil
	case err := <-etcd.Err():
		etcd.Close()
		return nil, fmt.Errorf("etcd: %w", err)
	case <-ctx.Done():
		etcd.Close()
		return nil, ctx.Err()
	case <-time.After(30 * time.Second):
		etcd.Close()
		return nil, fmt.Errorf("etcd: not ready after 30 s, its log is %s", s.Path("etcd.log"))
	}
}
