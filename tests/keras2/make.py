"""Write the two SavedModels of Keras 2 that tests/makings.py takes: exported, and saved.

    uv venv /tmp/keras2 && uv pip install --python /tmp/keras2 tf_keras==2.21.0
    /tmp/keras2/bin/python tests/keras2/make.py

They lie here because tf_keras wants another package of TensorFlow than the environments have.
"""

from pathlib import Path

import numpy as np
import tf_keras

HERE = Path(__file__).parent

tf_keras.utils.set_random_seed(0)
rows = np.random.default_rng(0).normal(size=(32, 3))
model = tf_keras.Sequential(
    [
        tf_keras.Input((3,), name="features"),
        tf_keras.layers.Normalization(mean=[5.0, 1.0, 2.0], variance=[4.0, 1.0, 1.0]),
        tf_keras.layers.Dense(4, "relu"),
        tf_keras.layers.Dropout(0.2),
        tf_keras.layers.Dense(1, name="price"),
    ]
)
model.compile("adam", "mse")
model.fit(rows, rows.sum(axis=1), verbose=0)
model.export(str(HERE / "exported"))
model.save(str(HERE / "saved"), save_format="tf")
