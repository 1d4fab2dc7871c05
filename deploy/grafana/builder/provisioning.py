"""Files that Grafana reads at its start: the data source, where the boards are, and examples of contact points."""

from typing import Final

from deploy.grafana.builder.panels import PLUGIN, Json

FOLDER: Final = "voice-pipeline"
"""Folder of the boards on disk, and so in Grafana; the alert rules lie in it, too."""
DATASOURCE_UID: Final = "clickhouse"
QUERY_SECONDS: Final = 30

DATASOURCES: Final[Json] = {
    "apiVersion": 1,
    "prune": True,
    "datasources": [
        {
            "name": "ClickHouse",
            "uid": DATASOURCE_UID,
            "type": PLUGIN,
            "access": "proxy",
            "editable": False,
            "isDefault": True,
            "jsonData": {
                "host": "clickhouse",
                "port": 8123,
                "protocol": "http",
                "secure": False,
                "defaultDatabase": "voicemon",
                "username": "voicemon_reader",
                "dialTimeout": "10",
                "queryTimeout": str(QUERY_SECONDS),
                "validateSql": True,
            },
            "secureJsonData": {"password": "$__file{/run/secrets/clickhouse_reader}"},
        }
    ],
}

BOARDS: Final[Json] = {
    "apiVersion": 1,
    "providers": [
        {
            "name": "voice-pipeline",
            "orgId": 1,
            "type": "file",
            "disableDeletion": False,
            "allowUiUpdates": False,
            "updateIntervalSeconds": 30,
            "options": {"path": "/etc/grafana/dashboards", "foldersFromFilesStructure": True},
        }
    ],
}

CONTACT_POINTS: Final[Json] = {
    "apiVersion": 1,
    "contactPoints": [
        {
            "orgId": 1,
            "name": "voice-pipeline-mail",
            "receivers": [
                {
                    "uid": "voice-mail",
                    "type": "email",
                    "settings": {"addresses": "on-call@example.com", "singleEmail": True},
                    "disableResolveMessage": False,
                }
            ],
        },
        {
            "orgId": 1,
            "name": "voice-pipeline-page",
            "receivers": [
                {
                    "uid": "voice-page",
                    "type": "webhook",
                    "settings": {"url": "https://pager.example.com/hooks/voice-pipeline", "httpMethod": "POST"},
                    "disableResolveMessage": False,
                }
            ],
        },
    ],
}

POLICIES: Final[Json] = {
    "apiVersion": 1,
    "policies": [
        {
            "orgId": 1,
            "receiver": "voice-pipeline-mail",
            "group_by": ["grafana_folder", "alertname"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "12h",
            "routes": [
                {
                    "receiver": "voice-pipeline-page",
                    "object_matchers": [["severity", "=~", "critical|high"]],
                    "group_wait": "0s",
                    "repeat_interval": "1h",
                }
            ],
        }
    ],
}
