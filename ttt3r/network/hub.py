"""Published files from a repository on Hugging Face.

`huggingface_hub` says where a file lies and who asks. The bytes are fetched here, since `hf_hub_download` (2.4) begins anew
after its process was ended, and these files have gigabytes.
"""

from dataclasses import dataclass
from pathlib import Path

from ttt3r.network.downloading import LocalMirror, NotThere, Source, WebMirror, download, put_here
from ttt3r.network.published import PublishedCheckpoint, Tell


@dataclass(frozen=True)
class HubRepository(Source):
    """A repository on Hugging Face; needs the extra `hub`.

    Args:
        repository: `OWNER/NAME` (a dataset repository), `datasets/OWNER/NAME` or `models/OWNER/NAME`.
        endpoint: another server that speaks like Hugging Face; by default what `HF_ENDPOINT` says.

    Raises:
        ValueError: if `repository` is none of these.
    """

    repository: str
    endpoint: str | None = None

    def __post_init__(self) -> None:
        parts = self.repository.split("/")
        if not all(parts) or len(parts) not in (2, 3) or (len(parts) == 3 and parts[0] not in ("datasets", "models")):
            raise ValueError(
                f"--repo takes OWNER/NAME, datasets/OWNER/NAME or models/OWNER/NAME, got {self.repository!r}"
            )

    @property
    def words(self) -> str:
        """The repository."""
        return f"the Hugging Face repository {self.repository}"

    @property
    def _kind(self) -> str:
        return "model" if self.repository.startswith("models/") else "dataset"

    @property
    def _name(self) -> str:
        return "/".join(self.repository.split("/")[-2:])

    def obtain(self, checkpoint: PublishedCheckpoint, tell: Tell) -> Path:
        """Download the file, from where an earlier download ended."""
        try:
            import huggingface_hub
            import huggingface_hub.constants
        except ImportError as error:
            raise ImportError(
                "downloads from Hugging Face need an extra: pip install 'ttt3r[hub]'; or name the file's place with --mirror"
            ) from error
        if huggingface_hub.constants.HF_HUB_OFFLINE:
            raise OSError(f"HF_HUB_OFFLINE is set, so nothing is downloaded; {put_here(checkpoint)}")
        token = huggingface_hub.get_token()
        try:
            return download(self._url(checkpoint.file), checkpoint, tell, token)
        except NotThere:
            return download(self._url(self._place(checkpoint)), checkpoint, tell, token)

    def _url(self, path: str) -> str:
        import huggingface_hub

        return huggingface_hub.hf_hub_url(self._name, path, repo_type=self._kind, endpoint=self.endpoint)

    def _place(self, checkpoint: PublishedCheckpoint) -> str:
        """Where in the repository the file lies, if it is not at its top."""
        import huggingface_hub

        try:
            files = huggingface_hub.HfApi(endpoint=self.endpoint).list_repo_files(self._name, repo_type=self._kind)
        except Exception as error:  # which ones there are depends on its version, and on that of what is below it
            reason = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
            raise OSError(f"cannot read {self.words} ({reason[:200]}); {put_here(checkpoint)}") from error
        found = [file for file in files if file.rsplit("/", 1)[-1] == checkpoint.file]
        if not found:
            held = ", ".join(sorted(files)[:4]) or "nothing"
            raise FileNotFoundError(f"{self.words} holds no {checkpoint.file}, but {held}; give another with --repo")
        return min(found, key=len)


def source_of(checkpoint: PublishedCheckpoint, repository: str | None, mirror: str | None) -> Source:
    """The source that a user named; by default the repository that is known.

    Raises:
        ValueError: if two are named, or an address is of a scheme other than http and https.
    """
    if repository is not None and mirror is not None:
        raise ValueError("--repo and --mirror name two places; give one of them")
    if mirror is None:
        return HubRepository(repository or checkpoint.repository)
    scheme, mark, _ = mirror.partition("://")
    if not mark:
        return LocalMirror(Path(mirror).expanduser())
    if scheme.lower() not in ("http", "https"):
        raise ValueError(f"--mirror takes a path, or an address that begins with https:// (or http://), got {mirror!r}")
    return WebMirror(mirror)
