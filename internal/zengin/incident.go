package zengin

import "github.com/kozamori/kozamori/internal/id"

// incident2020 are the codes of April 2020 of the 35 banks that were linked to the service in 2020, in the
// order in which the list was published.
var incident2020 = [...]id.Bank{
	"0001", // みずほ
	"0009", // 三井住友
	"9900", // ゆうちょ
	"0040", // イオン
	"0174", // 伊予
	"0161", // 池田泉州
	"0576", // 愛媛
	"0183", // 大分
	"0152", // 大垣共立
	"0163", // 紀陽
	"0158", // 京都
	"0157", // 滋賀
	"0149", // 静岡
	"0125", // 七十七
	"0153", // 十六
	"0150", // スルガ
	"0512", // 仙台
	"0035", // ソニー
	"0164", // 但馬
	"0546", // 第三
	"0134", // 千葉
	"0135", // 千葉興業
	"0168", // 中国
	"0126", // 東邦
	"0166", // 鳥取
	"0162", // 南都
	"0190", // 西日本シティ
	"0143", // 八十二
	"0182", // 肥後
	"0173", // 百十四
	"0169", // 広島
	"0177", // 福岡
	"0501", // 北洋
	"0118", // みちのく
	"0187", // 琉球
}

// Incident2020 lists the 35 banks of the incident as the directory of April 2020 has them.
func Incident2020() []Bank {
	list := make([]Bank, len(incident2020))
	for i, code := range incident2020 {
		b, ok := In2020().Bank(code)
		if !ok {
			panic("zengin: " + string(code) + " is not in the directory of 2020")
		}
		list[i] = b
	}
	return list
}

// SuccessorOf is the bank that answers for a code today: itself, or the one it merged into. False where
// neither is known.
func SuccessorOf(code id.Bank) (Bank, bool) {
	if s, ok := SuccessionOf(code); ok {
		code = s.New
	}
	return Today().Bank(code)
}
