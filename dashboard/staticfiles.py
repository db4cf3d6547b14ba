"""Static files under hashed names, module imports rewritten to them."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFilesStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Rewrites `import … from "./x.js"` too, for noVNC's and our own modules.

    Source maps are not vendored, so their names in the vendored files are left as they are.
    """

    support_js_module_import_aggregation = True
    patterns = (("*.css", (r"""(?P<matched>url\(['"]{0,1}\s*(?P<url>.*?)["']{0,1}\))""",)),)
