"""Set-up: what is configured for pip reaches the installer."""

from __future__ import annotations

from ops.install import installer_variables


def test_indexes_certificates_and_folders_are_handed_on() -> None:
    listed = [
        "global.index-url='https://packages.internal/simple'",
        "global.extra-index-url='file:///srv/a/simple file:///srv/b/simple'",
        r"install.find-links='\n/srv/wheels\n/srv/more'",
        "global.cert='/etc/ssl/internal.pem'",
        "global.timeout='60'",
    ]
    assert installer_variables(listed) == {
        "UV_DEFAULT_INDEX": "https://packages.internal/simple",
        "UV_INDEX": "file:///srv/a/simple file:///srv/b/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/srv/wheels,/srv/more",
        "SSL_CERT_FILE": "/etc/ssl/internal.pem",
    }


def test_the_environment_wins_over_a_file() -> None:
    listed = [":env:.index-url='https://from-environment/simple'", "global.index-url='https://from-file/simple'"]
    assert installer_variables(listed) == {"UV_DEFAULT_INDEX": "https://from-environment/simple"}


def test_nothing_configured_hands_on_nothing() -> None:
    assert installer_variables([]) == {}
    assert installer_variables(["global.index-url=''", "no setting", "global.no-input='true'"]) == {}
