"""From the picture to the ground and back: lens, plane and map of one fixed camera.

```
picture pixels --lens--> straight pixels --homography--> metres on the ground --tangent plane--> WGS-84
```
A point on or above the horizon has no place on the ground: it becomes NaN and is never mirrored to behind the camera.
"""

from zones.calibration._camera import Camera
from zones.calibration._check import check_calibration
from zones.calibration._fit import fit_lens
from zones.calibration._ground import HORIZON_PX, Ground, PointResidual, Residuals, with_fitted_lens
from zones.calibration._lens import Lens
from zones.calibration._map import TangentPlane

__all__ = [
    "HORIZON_PX",
    "Camera",
    "Ground",
    "Lens",
    "PointResidual",
    "Residuals",
    "TangentPlane",
    "check_calibration",
    "fit_lens",
    "with_fitted_lens",
]
