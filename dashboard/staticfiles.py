"""Static files under hashed names, module imports rewritten to them."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Rewrites `import … from "./x.js"` too, for noVNC's and our own modules."""

    support_js_module_import_aggregation = True
