// Reads the store as Grafana's data source does: clickhouse-go over HTTP with gzip, as the read-only user.
//
// Usage: clickhouse_go HOST:PORT USER PASSWORD DATABASE. Prints one JSON object; exit code 1 with the driver's words.
// With a fifth argument it runs the statements of standard input, a JSON array, and prints what became of each.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
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

type outcome struct {
	Rows  int    `json:"rows"`
	Error string `json:"error"`
}

func main() {
	var told any
	var err error
	db := open(os.Args[1], os.Args[2], os.Args[3], os.Args[4])
	defer db.Close()
	if len(os.Args) > 5 {
		told, err = runAll(db)
	} else {
		told, err = read(db)
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(told)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func open(address, user, password, database string) *sql.DB {
	return clickhouse.OpenDB(&clickhouse.Options{
		Addr:        []string{address},
		Protocol:    clickhouse.HTTP,
		Auth:        clickhouse.Auth{Database: database, Username: user, Password: password},
		Compression: &clickhouse.Compression{Method: clickhouse.CompressionGZIP},
		// The plugin sends its query timeout with every statement.
		Settings:    clickhouse.Settings{"max_execution_time": 60},
		DialTimeout: 5 * time.Second,
	})
}

// runAll reads every row of every statement into the types that the driver names, as Grafana's plugin does.
func runAll(db *sql.DB) ([]outcome, error) {
	var statements []string
	if err := json.NewDecoder(os.Stdin).Decode(&statements); err != nil {
		return nil, err
	}
	var found []outcome
	for _, statement := range statements {
		rows, err := run(db, statement)
		found = append(found, outcome{rows, text(err)})
	}
	return found, nil
}

func run(db *sql.DB, statement string) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	rows, err := db.QueryContext(ctx, statement)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	columns, err := rows.ColumnTypes()
	if err != nil {
		return 0, err
	}
	count := 0
	for ; rows.Next(); count++ {
		values := make([]any, len(columns))
		for i, column := range columns {
			values[i] = reflect.New(column.ScanType()).Interface()
		}
		if err := rows.Scan(values...); err != nil {
			return count, err
		}
	}
	return count, rows.Err()
}

func read(db *sql.DB) (report, error) {
	var found report
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
