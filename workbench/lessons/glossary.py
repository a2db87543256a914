"""The words of the field in English and Chinese, each with what it means."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import ipywidgets as w

from ..core.errors import WorkbenchError
from ..ui.widgets import Line


class Term(NamedTuple):
    """One word. chinese: as the surveys in Chinese write it."""

    english: str
    chinese: str
    meaning: str


TERMS: dict[str, Term] = {
    term.english: term
    for term in (
        Term("accuracy", "准确率", "Share of images that a network names rightly."),
        Term("activation", "激活值", "What a layer hands on for one image."),
        Term("attribution", "归因", "Which pixels speak for an answer, and how much."),
        Term("bias", "偏置", "A number that each output of a layer adds, whatever comes in."),
        Term("bit width", "位宽", "How many bits each stored number has."),
        Term("centroid", "聚类中心", "The value that stands for all weights of one cluster."),
        Term("channel", "通道", "One of the maps that a layer hands to the next."),
        Term("codebook", "码本", "The list of shared values; weights are stored as places in it."),
        Term("compression ratio", "压缩比", "Bytes before over bytes after. Say which bytes."),
        Term("convolution kernel", "卷积核", "The small square of weights that moves over one map."),
        Term("deep compression", "深度压缩", "Pruning, then shared values, then codes of different lengths."),
        Term("distillation", "知识蒸馏", "A network learns from another's softened answers."),
        Term("energy", "能量", "Sum of squared singular values; how much of a matrix is kept."),
        Term("entropy", "熵", "Bits that a symbol needs at least, on average, given how often each occurs."),
        Term("feature map", "特征图", "What one filter answers at every place of the image."),
        Term("file size", "文件大小", "The length of a file that can be read back; all of it counts."),
        Term("filter", "滤波器", "The weights behind one output of a convolution, over all its inputs."),
        Term("fine-tuning", "微调", "Training on for a little while, from the weights as they are."),
        Term("fully connected layer", "全连接层", "A layer whose every output sees every input."),
        Term("held-out images", "留出集", "Images that nothing was chosen on, kept for the report."),
        Term("Huffman coding", "哈夫曼编码", "Short codes for frequent symbols, long ones for rare ones."),
        Term("k-means", "k均值聚类", "Finds k values so that each weight is near one of them."),
        Term("latency", "延迟", "Time that one answer takes, measured."),
        Term("logit", "逻辑值", "A class's score before softmax."),
        Term("low-rank decomposition", "低秩分解", "A matrix as the product of two thin ones."),
        Term("magnitude", "幅值", "Size of a weight without its sign."),
        Term("mask", "掩码", "True where a weight stays, False where it goes."),
        Term("multiply-accumulate", "乘加运算", "One product added to a sum: the unit of computing."),
        Term("neuron", "神经元", "One output of a fully connected layer."),
        Term("overfitting", "过拟合", "Learning the training images by heart."),
        Term("parameter", "参数", "A number that training has set: a weight or a bias."),
        Term("pruning", "剪枝", "Taking weights, filters or layers out."),
        Term("pruning ratio", "剪枝率", "Share of what is there that is taken out."),
        Term("quantization", "量化", "Writing numbers with few bits, on a grid of levels."),
        Term("quantization step", "量化步长", "Distance of two neighbouring levels."),
        Term("rank", "秩", "How many directions a matrix really has."),
        Term("redundancy", "冗余", "What can be left out without losing the answer."),
        Term("retraining", "再训练", "Training the weights that are left, so that they make up for the others."),
        Term("sensitivity", "敏感度", "Accuracy that is lost when one layer alone is compressed."),
        Term("signal-to-noise ratio", "信噪比", "Power of the weights over that of the error, in decibels."),
        Term("singular value decomposition", "奇异值分解", "Directions of a matrix in order of their strength."),
        Term("soft target", "软目标", "The teacher's probabilities for all classes, softened."),
        Term("sparsity", "稀疏性", "Share of weights that are zero."),
        Term("structured pruning", "结构化剪枝", "Whole filters or neurons go, and the tensors get smaller."),
        Term("student network", "学生网络", "The smaller network, which learns from the teacher."),
        Term("teacher network", "教师网络", "The large trained network whose answers are learnt."),
        Term("temperature", "温度", "What scores are divided by before softmax; higher is softer."),
        Term("threshold", "阈值", "The cut: below it something goes."),
        Term("unstructured pruning", "非结构化剪枝", "Single weights go; what is left is irregular."),
        Term("validation images", "验证集", "Images for choosing; never those of the report."),
        Term("weight", "权重", "A number that an input is multiplied by."),
        Term("weight sharing", "权值共享", "Many weights have one value, which is stored once."),
    )
}


def glossary(*english: str) -> w.VBox:
    """These words, or all of them, as a table with a field to look one up in either language."""
    if unknown := [word for word in english if word not in TERMS]:
        raise WorkbenchError(f"The glossary has no {unknown[0]!r}.")
    terms = [TERMS[word] for word in english] if english else list(TERMS.values())
    shown = w.HTML(_table(terms))
    field = Line(description="Look up", placeholder="pruning, 剪枝", continuous_update=True)
    field.observe(lambda change: _found(shown, change["new"], terms), "value")
    whole = w.VBox([w.VBox([field]).add_class("wb-knob"), shown])
    return whole.add_class("wb-app").add_class("wb-lesson").add_class("wb-glossary")


def looked_up(text: str, terms: Sequence[Term] = ()) -> list[Term]:
    """Terms with the text in any of their parts; all of the glossary's where the lesson's own have none."""
    wanted = text.strip().casefold()
    for group in (terms, list(TERMS.values())):
        if found := [term for term in group if any(wanted in part.casefold() for part in term)]:
            return found
    return []


def _found(shown: w.HTML, text: str, terms: list[Term]) -> None:
    found = looked_up(text, terms)
    shown.value = _table(found) if found else f"<p>There is no {escape(text[:40])} in the glossary.</p>"


def _table(terms: Sequence[Term]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(t.english)}</th><td lang="zh">{t.chinese}</td><td>{escape(t.meaning)}</td></tr>'
        for t in terms
    )
    head = '<tr><th scope="col">English</th><th scope="col">中文</th><th scope="col">meaning</th></tr>'
    return f'<table class="wb-table">{head}{rows}</table>'
