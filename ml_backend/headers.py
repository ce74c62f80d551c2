"""What every answer tells a browser that comes across it: there is nothing to show, frame, guess or keep."""

from flask import Flask, Response, request

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
ONE_YEAR_S = 365 * 24 * 3600


def harden_answers(app: Flask) -> None:
    def harden(response: Response) -> Response:
        response.headers.update(HEADERS)
        if request.is_secure:
            response.headers["Strict-Transport-Security"] = f"max-age={ONE_YEAR_S}"
        return response

    app.after_request(harden)
