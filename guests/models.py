"""The models of all the rooms of this app, for Django to find; each is defined in its room."""

from guests.access.models import Grant
from guests.access.tokens import APIToken
from guests.audit.models import AuditLink, AuditRecord
from guests.inventory.addresses import GuestAddresses
from guests.inventory.capabilities import HostCapabilities
from guests.inventory.cpus import HostCPUs, VCPUFigures
from guests.inventory.definitions import DefinitionVersion, LiveDefinition
from guests.inventory.models import Guest, Host, HostLease, MACUse, Revision, Tag
from guests.inventory.networks import HostNetwork
from guests.inventory.pictures import LookedAt, Picture
from guests.inventory.storage import Pool, Volume
from guests.operations.half_made import HalfMade
from guests.operations.host_starts import HostBoot, StartPlace
from guests.operations.models import MACReservation, Operation, VolumeClaim
from guests.operations.proposals import DefinitionProposal
from guests.operations.upload_models import Upload

__all__ = [
    "APIToken",
    "AuditLink",
    "AuditRecord",
    "DefinitionProposal",
    "DefinitionVersion",
    "Grant",
    "Guest",
    "GuestAddresses",
    "HalfMade",
    "Host",
    "HostBoot",
    "HostCPUs",
    "HostCapabilities",
    "HostLease",
    "HostNetwork",
    "LiveDefinition",
    "LookedAt",
    "MACReservation",
    "MACUse",
    "Operation",
    "Picture",
    "Pool",
    "Revision",
    "StartPlace",
    "Tag",
    "Upload",
    "VCPUFigures",
    "Volume",
    "VolumeClaim",
]
