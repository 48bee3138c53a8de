"""Evidence of a case: pictures that are masked, captioned, hashed, chained and signed by the agent.

Reading order: `seal` (what the agent calls), `manifest` (what is written), `verify` (how anyone checks it),
`retention` (how it is deleted, with receipts).
"""

from edge_agent.evidence.keys import AgentKey, PublicKey, load_or_create_secret
from edge_agent.evidence.manifest import ClockInfo, EvidenceMeta, Manifest, Sealer
from edge_agent.evidence.masking import mask_people
from edge_agent.evidence.originals import Vault
from edge_agent.evidence.seal import EvidenceStore

__all__ = [
    "AgentKey",
    "ClockInfo",
    "EvidenceMeta",
    "EvidenceStore",
    "Manifest",
    "PublicKey",
    "Sealer",
    "Vault",
    "load_or_create_secret",
    "mask_people",
]
