"""Writes the boards, alert rules and provisioning files of Grafana: `python -m deploy.grafana.builder`."""
