"""The centre: cases, work orders, officers, pages; a Django project with one app per capability.

project   settings, addresses, start-up, process tree        fleet    agents, cameras, letters to agents
people    who may come in, roles, log-in                      ingest   MQTT in and out, receipts, quarantine
cases     cases, work orders, evidence, history               live     what changed, for pages that follow it
parking   facts of a parked vehicle; agent messages applied   pages    what people see

Imports point one way: pages -> ingest -> parking -> cases -> people, fleet -> live. `project` puts them together.
Nothing here imports `edge_agent`.
"""
