"""Pictures of a browser, with captions, put together to a film."""

import io
import subprocess
import tempfile
import time
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from selenium import webdriver

WIDTH_PX, HEIGHT_PX, CAPTION_PX = 1280, 800, 56
INK, PAPER = (255, 255, 255), (29, 42, 35)
GIF_WIDTH_PX = 860
SETTLES_S = 0.7
"""What a page draws after its size has changed."""


class Film:
    """Of what one browser shows; `shoot` whenever there is something to see."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self._driver = driver
        self._frames: list[tuple[bytes, float]] = []
        self._font = ImageFont.load_default(size=24)

    def shoot(self, caption: str, *, seconds: float = 2.0) -> None:
        """The page as it is now, shown for `seconds`, a multiple of a half."""
        size = {"width": WIDTH_PX, "height": HEIGHT_PX, "deviceScaleFactor": 1, "mobile": False}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        time.sleep(SETTLES_S)
        page = Image.open(io.BytesIO(self._driver.get_screenshot_as_png())).convert("RGB")
        frame = Image.new("RGB", (WIDTH_PX, HEIGHT_PX + CAPTION_PX), PAPER)
        frame.paste(page, (0, 0))
        ImageDraw.Draw(frame).text((24, HEIGHT_PX + 13), caption, fill=INK, font=self._font)
        packed = io.BytesIO()
        frame.save(packed, "PNG")
        self._frames.append((packed.getvalue(), seconds))

    @property
    def seconds(self) -> float:
        return sum(seconds for _, seconds in self._frames)

    def save(self, stem: Path) -> list[Path]:
        """As `stem`.mp4 and `stem`.gif."""
        stem.parent.mkdir(parents=True, exist_ok=True)
        palette = "split[a][b];[a]palettegen=max_colors=128:stats_mode=diff[p];[b][p]paletteuse=dither=none"
        encodings = {
            ".mp4": ["-vf", "fps=10,format=yuv420p", "-c:v", "libx264", "-crf", "26", "-movflags", "+faststart"],
            ".gif": ["-vf", f"fps=2,scale={GIF_WIDTH_PX}:-1:flags=lanczos,{palette}"],
        }
        with tempfile.TemporaryDirectory() as folder:
            listed = self._written(Path(folder))
            for ending, encoding in encodings.items():
                source = ["-f", "concat", "-safe", "0", "-i", str(listed)]
                command = ["ffmpeg", "-y", "-loglevel", "error", *source, *encoding, str(stem.with_suffix(ending))]
                subprocess.run(command, check=True)
        return [stem.with_suffix(ending) for ending in encodings]

    def _written(self, folder: Path) -> Path:
        """As ffmpeg's concat demuxer wants it; it forgets the last duration unless the frame comes again."""
        lines = []
        for number, (picture, seconds) in enumerate([*self._frames, (self._frames[-1][0], 0.1)]):
            file = folder / f"{number:04d}.png"
            file.write_bytes(picture)
            lines += [f"file '{file}'", f"duration {seconds}"]
        listed = folder / "frames.txt"
        listed.write_text("\n".join(lines))
        return listed
