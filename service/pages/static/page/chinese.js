/** The page in Chinese: first what its document says, then what its scripts say. */

/** @type {Record<string, string>} */
export const page = {
  title: "预测",
  serving: "输入",
  realRow: "选用一行训练数据",
  model: "模型",
  answer: "预测值",
  report: "训练报告",
  why: "各项输入的贡献",
  curves: "各模型学到了什么",
  dots: "每个点是一行训练数据。指向它可看到名称，点击即可选用。",
  file: "为整张表格评分",
  drop: "把 CSV 文件拖到这里",
  choose: "选择文件",
  code: "用自己的代码调用",
  copy: "复制",
  docs: "所有请求与回答",
  vendors: "图表由 uPlot 绘制，表格由 Papa Parse 读取（均为 MIT 许可证）。",
};

/** What the service expects, where its sentence is known. @param {string} sentence */
const expectation = (sentence) =>
  sentence
    .replace(/ \(.*\)$/, "") // the unit
    .replace(/^a number from (\S+) to (\S+)$/, "$1 到 $2 之间的数")
    .replace(/^a number from (\S+) up$/, "不小于 $1 的数")
    .replace(/^a number up to (\S+)$/, "不大于 $1 的数")
    .replace(/^a finite number$/, "有限的数");

/** @type {typeof import("./english.js").english} */
export const chinese = {
  otherLanguage: "English",
  comma: "、",
  title: (output) => `预测${output}`,
  lead: (inputs) => `根据${inputs}。`,
  inputs: (n) => `${n} 项输入`,

  slider: (name) => `${name}，滑块`,
  trainedOn: (low, high) => `训练范围：${low} 至 ${high}`,
  notTaken: (model) => `${model} 不使用此项`,
  number(low, high) {
    if (low && high) return `请输入 ${low} 到 ${high} 之间的数`;
    if (low) return `请输入不小于 ${low} 的数`;
    return high ? `请输入不大于 ${high} 的数` : "请输入一个数";
  },
  anyExample: "请选择…",

  between: (low, high, tenths) => `${low} 至 ${high}；未参与训练的数据中，每 10 行有 ${tenths} 行落在各自的区间内`,
  said: (value, bounds) => (bounds.length ? `${value}，介于 ${bounds.join(" 与 ")} 之间` : value),
  measured: (name, measured, off) => `${name}：实测 ${measured}，${off}`,
  over: (off) => `比预测值低 ${off}`,
  under: (off) => `比预测值高 ${off}`,
  exact: "与预测值相同",
  outside: (names) => `超出模型的训练范围：${names}。此结果仅供参考。`,
  version: (model, version) => `${model}，版本 ${version}`,

  contributions: (unit) => `各项输入对预测值的贡献${unit && `（${unit}）`}`,
  average: "平均行",
  others: (n) => `其余 ${n} 项`,
  sum: "预测值",

  exactly: "精确的 Shapley 值，以各项均为平均值的一行为基准。",
  sampled: (error) => `抽样得到的 Shapley 值（标准误不超过 ${error}），以各项均为平均值的一行为基准。`,

  held: (held) => `其余保持不变：${held}。`,
  against: () => "横轴",
  quantity: (name, unit) => (unit ? `${name}，${unit}` : name),
  points: "图中的训练数据；用方向键移动，按回车键选用",
  point: (names, output, input) => `${names}：${output}，${input}`,
  andMore: (n) => `另有 ${n} 行`,
  straightLine: "单个单元：一条直线",
  plane: "单个单元：平面的一条边",
  stack: (widths, activation) => `${widths} 个 ${activation}：在单元激活处转折`,
  stacks: (members, widths, activation) =>
    `${members} 个网络（${widths} 个 ${activation}）的平均`,

  columns: (columns) => `需要这些列：${columns}；其他列原样保留，结果作为新列加入。`,
  scoring: (name) => `正在为 ${name} 评分……`,
  scored: (rows, name) => `${name} 的 ${rows.toLocaleString("zh-CN")} 行已评分。`,
  download: "下载评分后的 CSV",
  noColumn: (name, columns, found) => `${name} 缺少列 ${columns}；现有的列：${found}。`,
  noRows: (name) => `${name} 的表头下面没有数据行。`,
  tooLarge: (name) => `${name} 超过 50 MB：请用 python -m service.batch，它不限文件大小。`,
  ragged: (line, expected, found) => `第 ${line} 行：应与表头一样有 ${expected} 格，实际 ${found} 格`,
  place: (line, column) => `第 ${line} 行，${column}`,
  fault: (where, expected, received) =>
    `${where}：应为 ${expectation(expected)}，实际为 ${received}`,
  nothingScored: "尚未评分，请更正以下各处后重试：",
  unreadable: "无法把这个文件作为文本读取。",
  copied: "已复制。",

  down: "服务没有响应，页面会继续尝试。",
  busy: "服务正忙，页面会自动重试。",
  again: "立即重试",
  keyWanted: "此服务需要密钥。",
  keyRefused: "服务拒绝了这个密钥。",
  keyLabel: "密钥",
  keyUse: "使用",
  keyKept: "密钥只保留到此标签页关闭，并且只发送给此服务。",
  source: (rows, source) => `用 ${source} 的 ${rows.toLocaleString("zh-CN")} 行数据训练。`,
  noModel: "没有已加载的模型，原因见服务日志。",
  refused: (sentence) => `服务拒绝了请求：${sentence}`,
};
