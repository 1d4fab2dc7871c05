// Reads the store as Grafana's data source does: clickhouse-go over HTTP with gzip, as the read-only user.
//
// Usage: clickhouse_go HOST:PORT USER PASSWORD DATABASE. Prints one JSON object; exit code 1 with the driver's words.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

type series struct {
	Time     time.Time `json:"time"`
	Events   uint64    `json:"events"`
	Received uint64    `json:"received"`
}

type report struct {
	Version string   `json:"version"`
	Series  []series `json:"series"`
	Claims  *uint32  `json:"claims"`
	Stage   string   `json:"stage"`
	Refused string   `json:"refused"`
	Beyond  string   `json:"beyond"`
}

func main() {
	found, err := read(os.Args[1], os.Args[2], os.Args[3], os.Args[4])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(found)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(address, user, password, database string) (report, error) {
	var found report
	db := clickhouse.OpenDB(&clickhouse.Options{
		Addr:        []string{address},
		Protocol:    clickhouse.HTTP,
		Auth:        clickhouse.Auth{Database: database, Username: user, Password: password},
		Compression: &clickhouse.Compression{Method: clickhouse.CompressionGZIP},
		// The plugin sends its query timeout with every statement.
		Settings:    clickhouse.Settings{"max_execution_time": 60},
		DialTimeout: 5 * time.Second,
	})
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := db.QueryRowContext(ctx, "SELECT version()").Scan(&found.Version); err != nil {
		return found, fmt.Errorf("version: %w", err)
	}
	rows, err := db.QueryContext(ctx, `SELECT toStartOfInterval(ts, INTERVAL 1 HOUR) AS time, count() AS events,
		countIf(eventType = 'artifact_received') AS received FROM events_live GROUP BY time ORDER BY time`)
	if err != nil {
		return found, fmt.Errorf("series: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var point series
		if err := rows.Scan(&point.Time, &point.Events, &point.Received); err != nil {
			return found, fmt.Errorf("series: %w", err)
		}
		found.Series = append(found.Series, point)
	}
	if err := rows.Err(); err != nil {
		return found, fmt.Errorf("series: %w", err)
	}
	one := "SELECT metadata.claimCount, pipelineStage FROM events_live WHERE artifactId = ? LIMIT 1"
	if err := db.QueryRowContext(ctx, one, "art_1").Scan(&found.Claims, &found.Stage); err != nil {
		return found, fmt.Errorf("one event: %w", err)
	}
	_, err = db.ExecContext(ctx, "CREATE TABLE intruder (a UInt8) ENGINE = Memory")
	found.Refused = text(err)
	_, err = db.ExecContext(ctx, "SELECT 1 SETTINGS max_execution_time = 0")
	found.Beyond = text(err)
	return found, nil
}

// text is the words of an error, empty for none.
func text(err error) string {
	if err != nil {
		return err.Error()
	}
	return ""
}
