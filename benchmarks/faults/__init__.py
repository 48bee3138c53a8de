"""Whether anything is lost, doubled or unproven when everything around the agent fails, and within it.

Accelerated runs live a random street through the real engine, database, outbox, link's ledger, SMS worker and centre's
intake, with faults at random steps; real runs kill real processes and cut real connections. What is left afterwards is
held against the truth of the script.
"""
